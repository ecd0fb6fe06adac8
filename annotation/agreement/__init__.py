"""How far annotators agree, whom to trust, what is held to be true, and what an expert has to decide.

Pure functions over ``LabelledText``; nothing here reads the store.
"""

from doyen.annotation.agreement.consensus import Consensus, consensus
from doyen.annotation.agreement.disputes import Dispute, disputed
from doyen.annotation.agreement.figures import Figure
from doyen.annotation.agreement.reliability import Reliability, gold_reliability, reliability
from doyen.annotation.agreement.report import AgreementReport, agreement_report

__all__ = [
    "AgreementReport",
    "Consensus",
    "Dispute",
    "Figure",
    "Reliability",
    "agreement_report",
    "consensus",
    "disputed",
    "gold_reliability",
    "reliability",
]
