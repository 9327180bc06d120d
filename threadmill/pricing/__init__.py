"""What a run will cost before it starts, and what it has cost so far: list prices, measured rates, job statistics."""
