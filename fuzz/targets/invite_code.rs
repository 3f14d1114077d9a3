#![no_main]
agentsecrets_fuzz::attack!(agentsecrets::fuzz, "invite_code");
