"""What may be wrong with a registry where it runs, looked at without changing anything: each finding says what to do."""

from careen.doctor.examination import examine as examine
from careen.doctor.finding import Finding as Finding
from careen.doctor.finding import Verdict as Verdict
