"""The extensions, made once and bound to an app in the factory."""

from __future__ import annotations

from pathlib import Path

from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy.orm import DeclarativeBase

from flask_stripe_credits import StripeCredits


class Model(DeclarativeBase):
    """Base of this app's own tables."""


db = SQLAlchemy(model_class=Model)
migrate = Migrate(db=db, directory=str(Path(__file__).with_name("migrations")))
login_manager = LoginManager()
csrf = CSRFProtect()
credits = StripeCredits(db=db)
