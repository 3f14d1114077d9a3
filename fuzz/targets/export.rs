#![no_main]
agentsecrets_fuzz::attack!(agentsecrets_cli::fuzz, "export");
