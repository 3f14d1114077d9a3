#![no_main]
agentsecrets_fuzz::attack!(agentsecrets::fuzz, "recovery_code");
