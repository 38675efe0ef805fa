"""What of a written text is spoken: replies of models and messages of API clients, without reasoning and markup."""
