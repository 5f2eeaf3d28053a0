"""What each model can do, is limited to and costs, and what replaced it."""

from .capabilities import (
    Abilities as Abilities,
)
from .capabilities import (
    abilities as abilities,
)
from .capabilities import (
    advice as advice,
)
from .capabilities import (
    bare as bare,
)
from .capabilities import (
    cost as cost,
)
from .capabilities import (
    fitted as fitted,
)
from .capabilities import (
    is_alive as is_alive,
)
from .capabilities import (
    provider_of as provider_of,
)
from .capabilities import (
    successor as successor,
)
from .capabilities import (
    successors as successors,
)
