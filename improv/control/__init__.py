"""The doors to `Controls`: one table, one validator, and the surface of knobs, switches and pedals. Pure."""
