// refused: E0603 + is private
pub fn f(_: &agentsecrets::resolve::SecretValue) {}
