"""False alarms of learned bounds on ordinary but awkward tables, and whether plain faults are found on them."""

from benchmarks.awkward import changing, everyday, held_services, held_things, mixed, moving, uneven

TABLES = {
    kind.name: kind
    for kind in (
        changing.MaturingOrders,
        changing.LateEvents,
        uneven.Promotions,
        moving.Releases,
        moving.Calendar,
        moving.GrowingIds,
        moving.Counters,
        uneven.Weekdays,
        uneven.Monthly,
        changing.Hourly,
        moving.NewTenants,
        changing.Reruns,
        mixed.Clearance,
        mixed.Subscriptions,
        mixed.Fiscal,
        mixed.Windows,
        mixed.Gateways,
        everyday.Stock,
        everyday.Rides,
        everyday.Tickets,
    )
}

#: Tables that were not looked at while the rule was made; what they show is corrected in general, not for them.
HELD = {
    kind.name: kind
    for kind in (
        held_services.Seats,
        held_services.Charges,
        held_services.Exposures,
        held_services.Messages,
        held_services.Clicks,
        held_things.Sensors,
        held_things.Pallets,
        held_things.Quotes,
        held_things.Admissions,
        held_things.Lunches,
        held_things.ClockMeters,
    )
}
