"""The mock carrier: a whole carrier over plain HTTP. Copy this folder to add another."""
