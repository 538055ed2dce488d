"""What is done before anything is served: the master key, the homes of the blobs, the database; then the registry is opened."""

from careen.startup.moves import move_database as move_database
from careen.startup.moves import restore as restore
from careen.startup.node import Start as Start
from careen.startup.node import begin as begin
from careen.startup.node import check_begun as check_begun
from careen.startup.node import prepare as prepare
from careen.startup.opening import open_registry as open_registry
from careen.startup.refusals import CannotMove as CannotMove
from careen.startup.refusals import CannotStart as CannotStart
from careen.startup.refusals import NoRegistry as NoRegistry
