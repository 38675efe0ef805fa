"""Agent hosts over Redis: workers offer turns (`client`), gateways claim and answer them (`server`)."""
