"""`make bench`: what the controller costs, and how soon it answers, with very many canaries."""
