#![no_main]
agentsecrets_fuzz::attack!(agentsecrets::fuzz, "sync_answer");
