"""Attempts in processes of their own: slots, each with a warm child that one thread here watches over."""
