"""Payment gateways. Empty so far: no webhook is verified and no action is executed yet.

This folder will hold webhook verification, typed events, action intents and the separate
executor.
"""
