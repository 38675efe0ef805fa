"""A receiver of signed webhooks, by the Standard Webhooks specification: checks, counts, and fails on demand."""
