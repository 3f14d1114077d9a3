#![no_main]
agentsecrets_fuzz::attack!(agentsecrets::fuzz, "manager_answer");
