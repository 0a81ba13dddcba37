"""An embedded cluster for the demo and for tests. Nothing here runs beside a real cluster's controller."""
