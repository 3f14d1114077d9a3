#![no_main]
agentsecrets_fuzz::attack!(agentsecrets::fuzz, "login_answer");
