#![no_main]
agentsecrets_fuzz::attack!(agentsecrets::fuzz, "shared_policy");
