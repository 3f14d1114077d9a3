// Compiled, never run: the types of the CommonJS face.

import { AgentSecrets, SecretRef } from "agentsecrets";
import testing = require("agentsecrets/testing");

export const clients: testing.AgentSecretsLike[] = [new AgentSecrets(), new testing.MockAgentSecrets()];
export const placeholder: string = new SecretRef("KEY").placeholder;
