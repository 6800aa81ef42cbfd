"""Policy folders that a newcomer copies, shipped as package data so that the wheel has them."""
