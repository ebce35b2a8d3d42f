"""What the features are about."""

import featurestore as fs

airport = fs.Entity("airport", keys={"origin": fs.String}, description="A New York airport: EWR, JFK or LGA.")
carrier = fs.Entity("carrier", keys={"carrier": fs.String}, description="An airline, by its two-letter code.")
route = fs.Entity("route", keys={"origin": fs.String, "dest": fs.String})
plane = fs.Entity("plane", keys={"tailnum": fs.String})
