"""What a rollout will be like, before there is one: its timeline, and what its checks read of what serves now."""
