"""What the suites that look from outside stand on: users, homes, upstreams, canaries, terminals and reports."""
