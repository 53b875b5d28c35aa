"""What the machine has."""


class current_platform:
    device_type = "cpu"

    @staticmethod
    def is_sleep_mode_available() -> bool:
        return True
