"""Whatever comes from outside, what follows is an answer, or an error of our family; and it is bounded.

Each property is tried with few examples in `make test`, and with `CANARY_FUZZ` examples, other ones each time, in
`make fuzz`.
"""
