"""Progressive delivery for Kubernetes Deployments: a controller, its rules and its command line."""
