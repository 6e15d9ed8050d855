"""Bytes of messages that the middleware delivers as objects."""

from typing import Any

from rclpy.serialization import serialize_message

from icnet_ros.wire.cdr import with_data


def message_bytes(message: Any) -> bytes:
    """Bytes of a message, as rclpy serialises it; data at its end is copied once, from another memory if it is there.

    rclpy copies the data three times.
    """
    names = list(message.get_fields_and_field_types())
    if names[-1] != "data":
        return bytes(serialize_message(message))
    to_bytes = getattr(message.data, "to_bytes", None)  # of a rosidl_buffer.Buffer, one copy less than its to_array
    fields = serialize_message(type(message)(**{name: getattr(message, name) for name in names[:-1]}))
    return with_data(fields, memoryview(message.data if to_bytes is None else to_bytes()))
