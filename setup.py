"""The package that users install and that Beam ships to its workers."""

import re
from pathlib import Path

from setuptools import find_packages, setup

_HERE = Path(__file__).parent
[_VERSION] = re.findall(
    r'^__version__ = "(.+)"$', (_HERE / "imagebeam/version.py").read_text(), re.M
)

setup(
    name="imagebeam",
    version=_VERSION,
    description="Label an image archive of any size with a TF-Hub module on Apache Beam.",
    long_description=(_HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["imagebeam", "imagebeam.*"]),
    package_data={
        "imagebeam": ["py.typed"],
        "imagebeam.modules": ["*.txt"],
        "imagebeam.report": ["template/**"],
        "imagebeam.samples": ["archive/**", "archive_truth.csv", "module/**"],
    },
    # Minimum versions only: requirements.txt holds the exact set that is tested.
    install_requires=[
        "ai-edge-litert>=2.0",
        "apache-beam>=2.77",
        "google-cloud-storage>=3.0",
        "jinja2>=3.1",
        "numpy>=1.26",
        "pillow>=12.1.1",
        "pyarrow>=18.0",
        "rich>=13.0",
        "shtab>=1.7",
        # 2.6.3 mends how redirects and compressed bodies are read.
        "urllib3>=2.6.3",
    ],
    extras_require={
        # What Beam needs to submit to Dataflow, without the forty clients of its own extra [gcp].
        "dataflow": [
            # Without it, Beam takes every refusal for one that passes, and asks again.
            "google-apitools>=0.5.31",
            "google-auth-httplib2>=0.2",
            "google-cloud-dataflow-client>=0.13",
        ],
        "profile": ["py-spy>=0.4"],
        "s3": ["boto3>=1.36"],
        "tensorflow": [
            "tensorflow>=2.18",
            "tensorflow-hub>=0.16.1",
            "tf_keras>=2.18",
            # tensorflow_hub imports pkg_resources, which setuptools 82 dropped.
            "setuptools<82",
        ],
    },
    entry_points={"console_scripts": ["imagebeam = imagebeam.beam_pipeline.__main__:main"]},
)
