// refused: E0432
use agentsecrets::SecretValue;
