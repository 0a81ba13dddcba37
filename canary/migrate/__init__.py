"""From other tools of this kind to canary: what they were told, said in canary's words, and what has no such word."""
