"""Definitions as text: rules put together by table, written on a line each, and read again by the loader."""
