"""One transaction and the questions that can be asked inside it."""

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.audit import Audit
from app.db.deliveries import Deliveries
from app.db.diagnosis import Diagnosis
from app.db.edits import Edits
from app.db.erasures import Erasures
from app.db.events import Events
from app.db.history import History
from app.db.keys import Keys
from app.db.lists import Lists
from app.db.metrics import Metrics
from app.db.objects import Objects
from app.db.operations import Operations
from app.db.prompts import Prompts
from app.db.queue import Queue
from app.db.stats import Stats
from app.db.submissions import Submissions
from app.db.sweeps import Sweeps
from app.db.tasks import Tasks
from app.db.teams import Teams
from app.db.usage import Usage
from app.db.views import Views
from app.db.webhooks import Webhooks
from app.db.workers import Workers


class UnitOfWork:
    """Groups the statements of one connection by what they are about."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.submissions = Submissions(connection)
        self.tasks = Tasks(connection)
        self.queue = Queue(connection)
        self.prompts = Prompts(connection)
        self.views = Views(connection)
        self.objects = Objects(connection)
        self.stats = Stats(connection)
        self.workers = Workers(connection)
        self.sweeps = Sweeps(connection)
        self.keys = Keys(connection)
        self.teams = Teams(connection)
        self.usage = Usage(connection)
        self.operations = Operations(connection)
        self.audit = Audit(connection)
        self.history = History(connection)
        self.diagnosis = Diagnosis(connection)
        self.lists = Lists(connection)
        self.edits = Edits(connection)
        self.metrics = Metrics(connection)
        self.events = Events(connection)
        self.webhooks = Webhooks(connection)
        self.deliveries = Deliveries(connection)
        self.erasures = Erasures(connection)
