"""Checks of servers, of clients and of contracts; nothing that serves uses them."""
