"""The comparison kit: one load and one set of services for voicecall and its peers, so that only the server differs."""
