// One implementation for both module systems.

export * from "./undici.js";
