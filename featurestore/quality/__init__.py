"""What the rows are like: profiles, contracts, changes found."""
