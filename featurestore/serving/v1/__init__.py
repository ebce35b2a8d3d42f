"""Generated from proto/featurestore/serving/v1 by `make proto`; not edited by hand."""
