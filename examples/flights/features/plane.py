"""The aircraft: a dimension, valid always."""

import featurestore as fs
from examples.flights.features.entities import plane as plane_entity
from examples.flights.features.feeds import planes

plane = fs.FeatureView(
    "plane",
    entity=plane_entity,
    source=planes,
    sql="select tailnum, 2013 - built as age, seats from planes",
    features=[
        fs.Feature("age", fs.Int64, description="Years since it was built."),
        fs.Feature("seats", fs.Int64),
    ],
    owner="delay-team",
)
