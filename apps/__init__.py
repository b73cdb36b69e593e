"""The applications that come with Rota."""
