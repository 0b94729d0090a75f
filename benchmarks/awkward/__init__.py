"""False alarms of learned bounds on ordinary but awkward tables, and whether plain faults are found on them."""

from benchmarks.awkward import changing, everyday, mixed, moving, uneven

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
