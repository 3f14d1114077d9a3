// Compiled, never run: the types of the CommonJS face.

import { AgentSecrets, SecretRef } from "agentsecrets";
import testing = require("agentsecrets/testing");
import undici = require("agentsecrets/undici");

export const clients: testing.AgentSecretsLike[] = [new AgentSecrets(), new testing.MockAgentSecrets()];
export const placeholder: string = new SecretRef("KEY").placeholder;
export const dispatcher: undici.AgentSecretsDispatcher = new undici.AgentSecretsDispatcher();
