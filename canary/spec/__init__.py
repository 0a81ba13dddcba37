"""What a user can write: annotations, the Canary resource, and what the controller writes back into its status."""
