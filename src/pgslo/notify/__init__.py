"""Notifications of incidents: to people through apprise, and to programs by HTTP."""

from pgslo.notify.messages import Delivery, Event, Incident, Message, Route, decide, no_apprise, resolve, send

__all__ = ["Delivery", "Event", "Incident", "Message", "Route", "decide", "no_apprise", "resolve", "send"]
