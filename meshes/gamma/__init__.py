"""The Gateway API for meshes (GAMMA): HTTPRoutes and GRPCRoutes with a Service for a parent.

Facts are from the Gateway API's reference (https://gateway-api.sigs.k8s.io/reference/spec/) and its CRDs. What holds
for every mesh that takes such routes is here; what one mesh makes of them is in its adapter.
"""
