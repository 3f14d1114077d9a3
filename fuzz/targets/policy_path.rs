#![no_main]
agentsecrets_fuzz::attack!(agentsecrets::fuzz, "policy_path");
