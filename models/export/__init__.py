"""The offline export: fitted estimators of scikit-learn and interpret become portable models.

The only part of `models/` that knows a learning library, and it loads one only when it is called.
`exporting.py` puts a model together; `specs.py` says what the columns are; `preparation.py` reads
what stands before an estimator; `logistic_regression.py`, `forest.py`, `boosting.py` and
`glass_box.py` know a family each.
"""

from tidegate.models.export.bounds import quantisation_bound
from tidegate.models.export.exporting import export_model
from tidegate.models.export.refusals import ExportRefused, Reason
from tidegate.models.export.specs import InputSpec

__all__ = ["ExportRefused", "InputSpec", "Reason", "export_model", "quantisation_bound"]
