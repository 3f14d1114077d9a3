// One implementation for both module systems.

export * from "./testing.js";
