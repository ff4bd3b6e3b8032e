"""What runs around Connect in the demonstration: two portals, an inbox for mail and SMS, and the set-up."""
