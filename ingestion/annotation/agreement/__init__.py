"""How far annotators agree, whom to trust, what is held to be true, and what an expert has to decide.

Pure functions over ``LabelledText``; nothing here reads the store.
"""

from doyen.ingestion.annotation.agreement.consensus import Consensus, consensus
from doyen.ingestion.annotation.agreement.disputes import Dispute, disputed

__all__ = ["Consensus", "Dispute", "consensus", "disputed"]
