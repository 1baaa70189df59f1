"""What could come next: encoding, engines, sampling. Pure but for reading weights."""
